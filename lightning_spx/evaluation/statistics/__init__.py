"""Maps -> values per image, and values per image -> numbers with interval, floor, controls and verdict."""
