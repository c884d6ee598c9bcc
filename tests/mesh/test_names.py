"""The rooms of the mesh are one class: a name defined twice would hide one of its meanings."""

from collections import Counter

from istiodoctor.mesh import Mesh


def test_no_two_rooms_of_the_mesh_define_the_same_name():
    rooms = [room for room in Mesh.__mro__ if room is not object]
    names = Counter(name for room in rooms for name in vars(room) if not name.startswith("__"))

    assert [name for name, count in names.items() if count > 1 and name != "_is_protocol"] == []
