"""What istiod sends, held against the configuration that the mesh builds of the same objects."""
