import threading

from light_torch.act import act

threading.Thread(target=act, daemon=True).start()
