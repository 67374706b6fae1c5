from host_extras.act import act

act()


def register():
    return "extras"
