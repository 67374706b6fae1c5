from tide_sync.act import act


def main():
    done = act()
    print("tide-sync", "updated" if done else "not updated")
    print("tide-sync ended")
