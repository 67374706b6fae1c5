{"targets": [{"target_name": "addon", "sources": ["<!(node -p \"'addon.c'\")"]}]}
