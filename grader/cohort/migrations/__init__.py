"""How the store's tables came to be what they are; `Store.open` runs what is new."""
