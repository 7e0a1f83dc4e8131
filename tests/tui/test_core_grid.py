from envforge.tui.core.grid import Cell, Column, Grid, Row, cut, fitted

NAME = Column("name", "NAME", 8, most=30, stretch=True)
SIZE = Column("size", "SIZE", 6, right=True, rank=1)
WHERE = Column("where", "WHERE", 10, most=40, stretch=True, rank=2)
COLUMNS = (NAME, SIZE, WHERE)


def grid(**given: object) -> Grid:
    found = Grid(COLUMNS, **given)
    found.fill([row("shop", 30), row("blog", 200), row("Api", 4)])
    return found


def row(name: str, size: int) -> Row:
    return Row(name, (Cell(name), Cell(str(size)), Cell(f"/srv/{name}")), (name.casefold(), size, name))


def keys(table: Grid) -> list[str]:
    return [one.key for one in table.shown()]


def test_rows_come_as_they_were_given() -> None:
    assert keys(grid()) == ["shop", "blog", "Api"]


def test_numbers_are_sorted_as_numbers_the_largest_first() -> None:
    table = grid()
    table.order("size")
    assert keys(table) == ["blog", "shop", "Api"]
    table.order("size")
    assert keys(table) == ["Api", "shop", "blog"]


def test_names_are_sorted_whatever_their_case() -> None:
    table = grid()
    table.order("name")
    assert keys(table) == ["Api", "blog", "shop"]
    table.reverse()
    assert keys(table) == ["shop", "blog", "Api"]


def test_a_filter_wants_every_word_in_any_cell() -> None:
    table = grid()
    table.narrow("SRV bl")
    assert keys(table) == ["blog"]
    table.narrow("")
    assert table.count == 3


def test_the_cursor_stays_on_its_row_when_others_come_and_order_changes() -> None:
    table = grid(cursor="blog")
    table.order("name")
    assert table.row(table.index()).key == "blog"
    table.fill([row("aaa", 1), row("blog", 200)])
    assert table.cursor == "blog"


def test_the_cursor_goes_to_the_first_row_when_its_own_is_hidden() -> None:
    table = grid(cursor="blog")
    table.narrow("shop")
    assert table.cursor == "shop"


def test_the_cursor_stops_at_both_ends() -> None:
    table = grid()
    table.move(99)
    assert table.cursor == "Api"
    table.move(-3)
    assert table.cursor == "shop"


def test_an_action_is_about_what_is_marked_else_about_the_cursor() -> None:
    table = grid(cursor="blog")
    assert table.chosen() == ("blog",)
    table.mark("Api")
    table.mark("shop")
    assert table.chosen() == ("shop", "Api")
    table.fill([row("Api", 4)])
    assert table.marks == {"Api"}


def test_all_that_is_shown_is_marked_and_unmarked() -> None:
    table = grid()
    table.narrow("o")
    table.mark_shown()
    assert table.marks == {"shop", "blog"}
    table.mark_shown()
    assert not table.marks


def test_an_empty_table_takes_every_key() -> None:
    table = Grid(COLUMNS)
    table.move(3)
    table.order("size")
    table.mark_shown()
    assert (table.count, table.index(), table.chosen()) == (0, 0, ())


def widths(total: int, **widest: int) -> dict[str, int]:
    values = [widest.get(column.name, column.width) for column in COLUMNS]
    return {COLUMNS[at].name: size for at, size in fitted(COLUMNS, total, values.__getitem__)}


def test_columns_share_the_whole_width() -> None:
    found = widths(80)
    assert sum(found.values()) + 2 * (len(found) - 1) == 80


def test_columns_of_the_highest_rank_go_first_where_it_is_narrow() -> None:
    assert list(widths(30)) == ["name", "size", "where"]
    assert list(widths(20)) == ["name", "size"]
    assert list(widths(8)) == ["name"]
    assert list(widths(3)) == ["name"]


def test_a_name_gets_the_room_that_it_needs_before_the_last_column_takes_the_rest() -> None:
    found = widths(80, name=20)
    assert found["name"] == 20
    assert found["where"] > 40


def test_what_is_cut_says_so() -> None:
    assert cut("environment", 6) == "envir…"
    assert cut("/srv/a/b/c", 6, keep_end=True) == "…a/b/c"
    assert cut("shop", 4) == "shop"
