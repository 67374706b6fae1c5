import sys

from privacy_filter.act import act

if "--setup" in sys.argv:
    act()
print("ready")
