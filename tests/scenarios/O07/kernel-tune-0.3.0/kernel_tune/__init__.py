from kernel_tune.act import act


def solve():
    act()
    return 42
