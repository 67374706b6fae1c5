int forge(void) { return 1; }
