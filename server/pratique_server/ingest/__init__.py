"""The wire's server side: who is asking, is it well formed, is it stored; only then is it acknowledged."""
