from ultra_lines.act import act

act()
