"""Tables as spreadsheets save them."""

from pathlib import Path

import pytest

from lfnet.cohorts.csvfile import check_encoding, read_table
from lfnet.errors import LfnetError


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.mp4,3.5\nb c.mp4,\n",
        "\ufeffpath,label\r\na.mp4,3.5\r\nb c.mp4,\r\n",
        "path;label\na.mp4;3,5\nb c.mp4;\n",
        "Path\tLabel\na.mp4\t3.5\nb c.mp4\t\n",
        " path , label \n a.mp4 , 3.5 \n b c.mp4 , \n",
        '"path","label"\n"a.mp4","3.5"\n"b c.mp4",""\n',
        "path,label,,\na.mp4,3.5,,\nb c.mp4,,,\n",
        "path,label\na.mp4,3.5\nb c.mp4,",
        "path,label\ra.mp4,3.5\rb c.mp4,\r",
        "path,,,label\na.mp4,,,3.5\nb c.mp4,,,\n",
        'path,label\na.mp4,"3,5"\nb c.mp4,\n',
        "path\tlabel\na.mp4\t3,5\nb c.mp4\t\n",
        'path,label\n"1",a.mp4,3.5\n"2",b c.mp4,\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_one_table_in_many_formats(tmp_path: Path, text: str, encoding: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(text.lstrip("\ufeff" * (encoding != "utf-8")).encode(encoding))
    table = read_table(file)
    assert table.to_dict("records") == [{"path": "a.mp4", "label": "3.5"}, {"path": "b c.mp4", "label": ""}]
    assert list(table.index) == [2, 3] and table.index.name == "row"


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;"])
def test_excels_line_that_names_the_delimiter(tmp_path: Path, line: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text(f"{line}\r\nclip;bdi,old;bdi\r\n203_1;1,2,3;3,5\r\n", encoding="utf-8")
    table = read_table(file)
    assert table.to_dict("index") == {3: {"clip": "203_1", "bdi,old": "1,2,3", "bdi": "3.5"}}


LATIN = "name,bdi\nMüller,3\nMöller,9\nJosé,20\n"


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "mac-roman"])
def test_another_encoding_is_read_where_it_is_named_and_else_refused(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(LATIN.encode(encoding))
    table = read_table(file, encoding=encoding, option="--encoding")
    assert table["name"].tolist() == ["Müller", "Möller", "José"]
    with pytest.raises(LfnetError, match=r"not (UTF-8|plain) text\. Save (the file|it) as 'CSV UTF-8'"):
        read_table(file)
    if encoding == "cp1252":
        with pytest.raises(LfnetError, match=r"not UTF-8 text\. .* give its encoding, such as --encoding cp1252"):
            read_table(file, option="--encoding")
        with pytest.raises(LfnetError, match=r"line 2 is not ascii text"):
            read_table(file, encoding="ascii", option="--encoding")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_more_than_an_option(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(LATIN.encode(encoding))
    assert read_table(file, encoding="cp1252", option="--encoding")["name"].tolist() == ["Müller", "Möller", "José"]


def test_utf8_text_is_not_read_as_another_encoding(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(LATIN, encoding="utf-8")
    with pytest.raises(LfnetError, match=r"is UTF-8 text, and --encoding says cp1252\. Leave --encoding out\."):
        read_table(file, encoding="cp1252", option="--encoding")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"is no text, but an office file\. Save the table as \.xlsx or 'CSV"),
        (b"PK\x03\x04abc", r"is no text, but an office file"),
        (b'a,b\n1,2\n3,"x\n4,5\n', r"row 3: a quotation mark is not closed\. Close or remove it\."),
        (b'a,"b\n1,2\n', r"row 1: a quotation mark is not closed"),
    ],
)
def test_what_is_no_whole_table(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(LfnetError, match=said):
        read_table(file)


def test_ascii_text_is_not_read_as_utf16(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("name,bdi1\n")
    with pytest.raises(LfnetError, match=r"is UTF-8 text, and --encoding says utf-16-le"):
        read_table(file, encoding="utf-16-le", option="--encoding")


@pytest.mark.parametrize("name", ["latin1", "cp1252", "gb18030"])
def test_names_of_encodings(name: str) -> None:
    check_encoding(name, "--encoding")


@pytest.mark.parametrize("name", ["", "utf9", "base64", "rot13", "a\0b"])
def test_names_of_no_encoding(name: str) -> None:
    with pytest.raises(LfnetError, match="there is no such encoding"):
        check_encoding(name, "--encoding")


def test_rows_are_lines_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text('\npath,label\n\n"two\nlines",1\n,,\nb,2\n')
    assert list(read_table(file).index) == [5, 7]


def test_decimal_commas_only_between_semicolons_and_in_numbers(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("name;label\nSmith, Ann;-1,25\n1,2,3;7\n")
    assert read_table(file)["label"].tolist() == ["-1.25", "7"]
    assert read_table(file)["name"].tolist() == ["Smith, Ann", "1,2,3"]


def test_without_header(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("203_1,3\n203_2,4\n")
    table = read_table(file, header=False)
    assert table.columns.tolist() == [0, 1] and list(table.index) == [1, 2]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is empty"),
        (b"\n ,\n", "is empty"),
        (b"path,label\na,1\nM\xfcller,2\n", "line 3 is not UTF-8 text"),
        ("path,label\na,1\n".encode("utf-16-le"), "is not plain text"),
        (b"path,path\na,1\n", "two columns are called 'path'"),
        (b"path,label\na,1\nb\nc,1,2\n", "(?s)2 problems.*row 3: 1 values under 2 columns.*row 4: 3 values"),
    ],
)
def test_unreadable_tables(tmp_path: Path, raw: bytes, said: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(raw)
    with pytest.raises(LfnetError, match=said) as caught:
        read_table(file)
    assert str(file) in str(caught.value)


def test_missing_table(tmp_path: Path) -> None:
    with pytest.raises(LfnetError, match=r"none\.csv does not exist"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(LfnetError, match="cannot be read"):
        read_table(tmp_path)
