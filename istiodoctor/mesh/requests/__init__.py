"""How one request is answered, hop by hop, from the objects and as it was seen."""
