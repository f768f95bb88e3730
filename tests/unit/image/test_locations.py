"""Which locations of an image can be cloned."""

import urllib.parse

import hypothesis
import hypothesis.strategies as st
import pytest

from nova_lite.image import locations

FSID = "5d7ae0d5-0c3f-4d05-8a6a-2cd1ee1a6b7a"


def test_all_four_parts_are_found():
    """S6."""
    assert locations.parse(f"rbd://{FSID}/images/abc/snap") == locations.RbdLocation(
        FSID, "images", "abc", "snap"
    )


def test_parts_are_percent_encoded():
    found = locations.parse("rbd://f/my%20pool/caf%C3%A9%2B1/s%3Anap")
    assert found == locations.RbdLocation("f", "my pool", "café+1", "s:nap")
    assert str(found) == "my pool/café+1@s:nap"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "rbd://",
        "rbd://only-an-image",
        "rbd://f/p/i",
        "rbd://f/p/i/s/more",
        "rbd://f//i/s",
        "rbd://f/p/i/",
        "rbd://f/p%2Fq/i/s",
        "rbd://f/p/i%40s/t",
        "rbd://f/p/i%00/s",
        "rbd://f/p/i%0A/s",
        "rbd://f/p/%FF/s",
        "RBD://f/p/i/s",
        "http://example.com/f/p/i",
        "file:///var/lib/glance/images/f",
        "cinder://volume-id",
        "sheepdog://f:1:abc",
        "swift+https://user:key@example.com/c/o",
        "vsphere://example.com/folder/f?dcPath=d&dsName=s",
        "s3://f/p/i/s",
    ],
)
def test_everything_else_is_not_clonable(url):
    """S8, S10, S11, S12, S13: download through Glance, never a crash."""
    assert locations.parse(url) is None


NAMES = st.text(st.characters(exclude_characters="/@", exclude_categories=("C", "Z")), min_size=1)


@hypothesis.given(st.tuples(NAMES, NAMES, NAMES, NAMES))
def test_what_was_encoded_is_found_again(parts):
    url = "rbd://" + "/".join(urllib.parse.quote(part, safe="") for part in parts)
    assert locations.parse(url) == locations.RbdLocation(*parts)


@hypothesis.given(st.text())
def test_no_text_breaks_the_parser(text):
    locations.parse(text)
    locations.parse("rbd://" + text)


def test_the_direct_url_comes_first_and_nothing_twice():
    first, second = f"rbd://{FSID}/images/a/snap", f"rbd://{FSID}/other/a/snap"
    image = {
        "direct_url": second,
        "locations": [{"url": first, "metadata": {}}, {"url": second}, {"metadata": {}}],
    }
    assert locations.urls_of(image) == [second, first]
    assert [each.pool for each in locations.rbd_locations(locations.urls_of(image))] == [
        "other",
        "images",
    ]


@pytest.mark.parametrize("image", [{}, {"locations": []}, {"locations": None, "direct_url": None}])
def test_hidden_locations_are_none(image):
    assert locations.urls_of(image) == []
