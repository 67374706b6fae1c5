"""What browsers run of others: exactly the files that were pinned."""

import vendored


def test_every_vendored_file_is_the_one_that_was_pinned():
    """Nothing is missing, changed, or there without being listed."""
    assert vendored.wrong() == []


def test_a_changed_file_is_found(tmp_path, monkeypatch):
    """Positive control: one byte more, and one file nobody listed."""
    for path in vendored.PLACE.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "htmx.min.js").write_bytes((tmp_path / "htmx.min.js").read_bytes() + b" ")
    (tmp_path / "extra.js").write_bytes(b"")
    monkeypatch.setattr(vendored, "PLACE", tmp_path)
    monkeypatch.setattr(vendored, "LIST", tmp_path / "vendor.json")
    assert vendored.wrong() == ["extra.js", "htmx.min.js"]
