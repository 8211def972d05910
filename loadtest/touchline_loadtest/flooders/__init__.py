"""The flooders' process: connections that send as much as the server takes, and come back when they are closed."""
