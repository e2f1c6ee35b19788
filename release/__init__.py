"""The wheel that is handed out: made, looked into, tried."""
