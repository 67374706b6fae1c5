from tri_kernel.act import act

act()
