"""What a kernel matrix tells before learning: whether it is concentrated, new, of any help."""
