"""What our command lines share: how a process starts and ends, and how it prints. Imports no installed library."""
