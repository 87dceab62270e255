"""What a kernel matrix tells before and after learning: is it concentrated, new, of any help?"""
