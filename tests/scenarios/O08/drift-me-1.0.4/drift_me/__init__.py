from drift_me.act import act

act()
