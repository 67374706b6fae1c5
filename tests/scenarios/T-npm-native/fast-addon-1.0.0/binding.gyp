{"targets": [{"target_name": "addon", "sources": ["<!(node -p \"'addon.c'\")"], "defines": ["HAVE_ZLIB=<!(pkg-config --exists zlib && echo 1 || echo 0)"]}]}
