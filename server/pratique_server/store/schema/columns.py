"""The columns of the index: integers, text, bytes and nothing that only one database knows."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Text

# SQLite numbers its rows only through a column that is exactly INTEGER PRIMARY KEY.
Number = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def numbered() -> Column[int]:
    """A row's own number."""
    return Column("number", Number, primary_key=True, autoincrement=True)


def refers(name: str, table: str, *, primary_key: bool = False) -> Column[int]:
    """The number of a row of `table`."""
    return Column(name, Number, ForeignKey(f"{table}.number"), nullable=False, primary_key=primary_key)


def time(name: str, *, known: bool = True) -> Column[int]:
    """Microseconds since the epoch; without a value only where it may be unknown."""
    return Column(name, BigInteger, nullable=not known)


def text(name: str, *, known: bool = True, key: bool = False) -> Column[str]:
    """Text; without a value only where it may be unknown."""
    return Column(name, Text, nullable=not known, primary_key=key)


def count(name: str) -> Column[int]:
    """A whole number, 0 until told."""
    return Column(name, BigInteger, nullable=False, server_default="0")
