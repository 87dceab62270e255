"""One oracle for every circuit family, measurement and setting."""
