from mist_client.act import act

act()
