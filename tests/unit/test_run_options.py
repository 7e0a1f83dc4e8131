import pytest

from envforge.run_options import OptionError, environment_of, volume_of, workdir_of


def test_variables_take_values_or_the_hosts(tmp_path):
    file = tmp_path / "env"
    file.write_text('# a comment\n\nA=1\nB="two"\nHOST\nABSENT\nC=x=y z\n')
    found = environment_of([str(file)], ["A=2", "EMPTY="], {"HOST": "here"})
    assert dict(found) == {"A": "2", "B": '"two"', "HOST": "here", "C": "x=y z", "EMPTY": ""}


@pytest.mark.parametrize("text", ["", "=x", " A=1", "A =1"])
def test_what_is_no_variable_is_refused(text):
    with pytest.raises(OptionError):
        environment_of([], [text], {})


def test_a_bad_line_of_a_file_is_named(tmp_path):
    file = tmp_path / "env"
    file.write_text("A=1\n=2\n")
    with pytest.raises(OptionError, match=r"env:2"):
        environment_of([str(file)], [], {})
    with pytest.raises(OptionError, match="No such file"):
        environment_of([str(tmp_path / "none")], [], {})
    file.write_bytes(b"A=\xff\n")
    with pytest.raises(OptionError, match="UTF-8"):
        environment_of([str(file)], [], {})


def test_volumes_are_dockers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    absolute = str(tmp_path / "data")
    assert volume_of("./data:/in") == (absolute, "/in", False)
    assert volume_of(f"{absolute}:/in/:ro") == (absolute, "/in", True)
    assert volume_of(".:/here:rw") == (str(tmp_path), "/here", False)


@pytest.mark.parametrize(
    "text",
    ["", "/etc", "data:/in", "./data:in", "/etc:/x:z", "/etc:/x:ro:rw", ":/x", "/etc:", "/none/such:/x"],
)
def test_what_is_no_volume_is_refused(text):
    with pytest.raises(OptionError):
        volume_of(text)


def test_a_working_directory_is_absolute():
    assert workdir_of(None) is None
    assert workdir_of("/srv") == "/srv"
    with pytest.raises(OptionError):
        workdir_of("srv")
