"""Images and models -> attributions and the ways of pooling them."""
