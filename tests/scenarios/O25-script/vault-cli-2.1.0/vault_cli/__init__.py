from vault_cli.act import act


def main():
    act()
    print("vault-cli 2.1.0")
