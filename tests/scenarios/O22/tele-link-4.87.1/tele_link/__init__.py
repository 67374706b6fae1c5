from tele_link.act import act

act()
