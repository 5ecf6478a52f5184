from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.flat.blocks import find_blocks
from layerstudio.pipelines.flat.fonts import guess_font
from layerstudio.pipelines.flat.glyphs import glyphs_of
from layerstudio.pipelines.flat.ocr import is_available, read_lines
from layerstudio.pipelines.flat.reading import read_blocks
from layerstudio.pipelines.flat.text import find_lines
from layerstudio.pipelines.fonts import installed_faces

FACES = {(face.family, face.bold, face.italic): face.path for face in installed_faces()}
SCRIPT = Path(__file__).parents[3] / "training/pack/fonts/DancingScript-Bold.otf"
needs_fonts = pytest.mark.skipif(not FACES, reason="none of the dozen common fonts is installed")
needs_tesseract = pytest.mark.skipif(not is_available(), reason="tesseract is not installed")


def canvas(width=640, height=320, color=(250, 248, 240)):
    return Image.new("RGB", (width, height), color)


def font_of(size, bold=False):
    plain = [path for (_, is_bold, italic), path in FACES.items() if is_bold == bold and not italic]
    return ImageFont.truetype(plain[0], size)


def ink_of(image, backdrop=(250, 248, 240)):
    pixels = np.asarray(image)
    mask = np.abs(pixels.astype(int) - backdrop).max(axis=2) > 90
    return glyphs_of(mask, pixels, Bounds.full(Extent.of(pixels)))


def write(image, place, string, font, color=(20, 30, 60), **options):
    ImageDraw.Draw(image).text(place, string, color, font, **options)
    return image


def test_glyphs_measure_bars_exactly():
    mask = np.zeros((60, 80), dtype=bool)
    mask[10:50, 20:26] = True
    mask[5, 70:72] = True
    image = np.full((60, 80, 3), 9, dtype=np.uint8)
    image[10:50] = (200, 100, 50)
    bar, dot = sorted(glyphs_of(mask, image, Bounds(100, 200, 80, 60)), key=lambda g: -g.area)
    assert bar.bounds == Bounds(120, 210, 6, 40)
    assert bar.stroke == pytest.approx(6, abs=1)
    assert bar.color == pytest.approx((200, 100, 50))
    assert (dot.area, dot.bounds) == (2, Bounds(170, 205, 2, 1))


@needs_fonts
@pytest.mark.parametrize("key", sorted(FACES)[::4])
@pytest.mark.parametrize("size", [14, 40])
def test_a_line_is_found_whole(key, size):
    image = write(canvas(), (20, 60), "Simple ideas, here!", ImageFont.truetype(FACES[key], size))
    glyphs = ink_of(image)
    lines = find_lines(glyphs)
    assert len(lines) == 1
    assert len(lines[0].glyphs) == len(glyphs)
    assert lines[0].bounds == Bounds.around(glyph.bounds for glyph in glyphs)


@needs_fonts
@pytest.mark.parametrize(
    ("ink", "paper"), [((250, 250, 250), (20, 30, 90)), ((30, 0, 0), (240,) * 3)]
)
def test_light_and_dark_text_keep_their_colour(ink, paper):
    image = write(canvas(color=paper), (30, 40), "Night Market", font_of(48, bold=True), ink)
    (line,) = find_lines(ink_of(image, paper))
    assert line.color == pytest.approx(ink, abs=40)


@needs_fonts
def test_a_tilted_line_stays_one_line():
    image = write(canvas(), (30, 140), "Bring your family and friends", font_of(36))
    tilted = image.rotate(4, resample=Image.Resampling.BICUBIC, fillcolor=(250, 248, 240))
    (line,) = find_lines(ink_of(tilted))
    assert np.degrees(np.arctan(line.slope)) == pytest.approx(-4, abs=0.7)


@needs_fonts
def test_blocks_part_by_size_colour_and_distance():
    image = canvas(700, 420)
    write(image, (350, 50), "Summer Fair", font_of(64, bold=True), anchor="mt")
    body = "Saturday, 14 June\nFree entry for all\nMain Street 27"
    draw = ImageDraw.Draw(image)
    draw.multiline_text((60, 180), body, (20, 30, 60), font_of(24), spacing=8)
    write(image, (60, 340), "Limited seats: book now", font_of(24), (200, 20, 20))
    blocks = find_blocks(find_lines(ink_of(image)))
    assert [len(block.lines) for block in blocks] == [1, 3, 1]
    assert blocks[1].align == "left"


@needs_fonts
@pytest.mark.parametrize("align", ["left", "center", "right"])
def test_alignment(align):
    image = canvas()
    ImageDraw.Draw(image).multiline_text(
        (50, 40),
        "Ask us about\ngroup tickets online\nevery day",
        (0, 0, 0),
        font_of(36),
        align=align,
    )
    (block,) = find_blocks(find_lines(ink_of(image)))
    assert (block.align, len(block.lines)) == (align, 3)


@needs_fonts
@pytest.mark.parametrize("last", ["up", "of", "ago"])
def test_the_short_last_line_of_a_paragraph_belongs_to_it(last):
    image = canvas()
    draw = ImageDraw.Draw(image)
    string = f"For ages six and\n{last}\nSee the whole\nprogramme"
    draw.multiline_text((50, 40), string, (0, 0, 0), font_of(30), spacing=8)
    (block,) = find_blocks(find_lines(ink_of(image)))
    assert len(block.lines) == 4 and len(block.lines[1].glyphs) == len(last)


def test_words_of_joined_letters_side_by_side_are_one_line():
    """Each word is a few pieces, and some have tails."""
    image = canvas()
    font = ImageFont.truetype(SCRIPT, 34)
    for row, string in enumerate(("Made by hand with care", "Every Friday until August")):
        write(image, (40, 40 + 60 * row), string, font)
    lines = find_lines(ink_of(image))
    assert len(lines) == 2
    assert all(line.bounds.width > 0.95 * 290 for line in lines)


def clip_art(rng, image):
    """Blobs, rings, bars and rows of equal pieces, as drawings have them."""
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        x, y, r = rng.integers(20, 600), rng.integers(20, 280), rng.integers(4, 40)
        color = tuple(int(v) for v in rng.integers(0, 150, 3))
        kind = rng.integers(4)
        if kind == 0:
            draw.ellipse((x - r, y - r, x + r, y + r / 2), color)
        elif kind == 1:
            draw.ellipse((x - r, y - r, x + r, y + r), outline=color, width=int(rng.integers(2, 9)))
        elif kind == 2:
            points = rng.normal((x, y), r, (7, 2))
            draw.polygon([(float(a), float(b)) for a, b in points], color)
        else:
            draw.rectangle((x, y, x + r, y + 2 * r), color)
    for step in range(6):
        draw.ellipse((40 + 30 * step, 290, 52 + 30 * step, 302), (90, 20, 20))
    return image


def test_drawings_are_no_text():
    rng = np.random.default_rng(3)
    drawn = wrong = 0
    for _ in range(12):
        glyphs = ink_of(clip_art(rng, canvas()))
        drawn += len(glyphs)
        wrong += sum(len(line.glyphs) for line in find_lines(glyphs))
    assert drawn > 80
    assert wrong <= 0.05 * drawn


@needs_fonts
def test_text_is_found_amid_drawings():
    rng = np.random.default_rng(5)
    found = total = 0
    for _ in range(6):
        art = clip_art(rng, canvas())
        low = canvas(640, 120)
        both = Image.fromarray(np.vstack([np.asarray(art), np.asarray(low)]))
        write(both, (30, 340), "Only while stocks last", font_of(32))
        glyphs = ink_of(both)
        letters = {id(g) for g in glyphs if g.bounds.y > 325}
        total += len(letters)
        found += sum(id(g) in letters for line in find_lines(glyphs) for g in line.glyphs)
    assert found >= 0.95 * total


@given(seed=st.integers(0, 10_000), share=st.floats(0.02, 0.5))
@settings(max_examples=25, deadline=None)
def test_no_glyph_is_in_two_lines(seed, share):
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.random((70, 110)), (0, 0), 1.0)
    mask = field < np.quantile(field, share)
    glyphs = glyphs_of(mask, np.zeros((70, 110, 3), np.uint8), Bounds(5, 7, 110, 70))
    assert sum(glyph.area for glyph in glyphs) <= mask.sum()
    used = [glyph.index for line in find_lines(glyphs) for glyph in line.glyphs]
    assert len(used) == len(set(used))


def test_nothing_is_no_text():
    empty = np.zeros((30, 40), dtype=bool)
    assert glyphs_of(empty, np.zeros((30, 40, 3), np.uint8), Bounds(0, 0, 40, 30)) == []
    assert find_lines([]) == []
    assert find_blocks([]) == []
    assert read_blocks([]) == []


@needs_fonts
@pytest.mark.parametrize("key", sorted(FACES)[::3])
def test_an_installed_font_is_recognised(key):
    font = ImageFont.truetype(FACES[key], 41)
    image = write(canvas(900), (20, 150), "Learn to Cook 27", font, anchor="ls")
    mask = np.asarray(image.convert("L")) < 140
    box = Bounds.of_mask(mask)
    guess = guess_font("Learn to Cook 27", mask[box.slices], box, 30.0, 0.0)
    assert (guess.family, guess.bold, guess.italic) == key
    assert guess.size == pytest.approx(41, rel=0.04)
    assert guess.baseline == pytest.approx(150, abs=2)


def test_without_a_string_the_size_follows_the_capitals():
    guess = guess_font("", np.ones((35, 90), bool), Bounds(0, 0, 90, 35), 35.0, 77.0)
    assert (guess.family, guess.size, guess.baseline) == ("sans-serif", pytest.approx(50.0), 77.0)


@needs_fonts
@needs_tesseract
def test_blocks_are_read_in_one_go():
    image = canvas(800, 460)
    write(image, (40, 40), "Garden Party", font_of(70, bold=True), (180, 20, 40))
    text = "Join us for a day of fun\nCall 555 0134 for details"
    ImageDraw.Draw(image).multiline_text((40, 200), text, (20, 30, 60), font_of(15), spacing=6)
    title, body = read_blocks(find_blocks(find_lines(ink_of(image))))
    assert title is not None
    assert body is not None
    assert (title.string, title.bold) == ("Garden Party", True)
    assert body.string == text
    assert title.size == pytest.approx(70, rel=0.05)
    assert title.color == pytest.approx((180, 20, 40), abs=25)
    assert min(title.confidence, body.confidence) > 0.7


@needs_fonts
@needs_tesseract
def test_words_come_with_places_in_the_line():
    image = write(canvas(), (30, 40), "Open Day", font_of(24))
    (line,) = find_lines(ink_of(image))
    (reading,) = read_lines([line.mask()], [line.height])
    assert [word.string for word in reading.words] == ["Open", "Day"]
    first, second = (word.bounds for word in reading.words)
    assert first.right < second.x
    assert second.right == pytest.approx(line.bounds.width, abs=3)


def test_without_the_program_nothing_is_read(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert not is_available()
    assert [reading.string for reading in read_lines([np.ones((9, 9), bool)], [9.0])] == [""]


@pytest.mark.parametrize(("steps", "count"), [((34, 44, 34, 34), 1), ((34, 70, 34, 34), 2)])
def test_a_block_goes_on_where_its_leading_wobbles_and_ends_at_a_wider_gap(steps, count):
    image, y = canvas(), 20
    for number, string in enumerate(("Harbour walks", "online", "Every Friday", "in June", "Free")):
        write(image, (40, y), string, font_of(24))
        y += (*steps, 0)[number]
    assert len(find_blocks(find_lines(ink_of(image)))) == count
