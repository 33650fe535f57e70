"""What is valid in a catalog and cannot be meant: what never or always holds, proved, and what is only odd."""
