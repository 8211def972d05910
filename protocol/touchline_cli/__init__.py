"""What our command lines share: how a process starts and ends, how it prints, and how it loads its commands."""
