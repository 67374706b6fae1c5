from env_echo.act import act


class Context(dict):
    def __init__(self, **given):
        super().__init__(**given)
        act()
