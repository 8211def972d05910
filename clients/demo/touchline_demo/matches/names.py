"""Names for invented matches. None of the clubs exists, and any likeness to a real player is chance."""

from random import Random
from typing import NamedTuple

PLACES = (
    "Abbotswick", "Brackenford", "Caldermoor", "Dunmarsh", "Eastholme", "Fernhallow", "Greywater", "Harrowmere",
    "Inglenook", "Juniper Bay", "Kestrel Hill", "Larkhaven", "Merrowby", "Netherfold", "Oakenshore", "Pellbridge",
    "Quarryton", "Ravensmoor", "Saltmere", "Thornwick", "Umberleigh Cross", "Vellamouth", "Wolfden", "Yarrowdale",
)  # fmt: skip
SUFFIXES = ("United", "Athletic", "Rovers", "Wanderers", "Town", "Albion", "Rangers", "Harriers")

FIRST_NAMES = (
    "Ada", "Arlo", "Bram", "Cato", "Dario", "Edda", "Emil", "Femi", "Goran", "Hana", "Idris", "Ines", "Jonas", "Juno",
    "Kaito", "Lena", "Lior", "Mika", "Nadia", "Nils", "Omar", "Petra", "Quim", "Rafa", "Runa", "Sami", "Tova", "Uma",
    "Viggo", "Wren", "Yusuf", "Zora",
)  # fmt: skip
LAST_NAMES = (
    "Adeyo", "Alderin", "Aroztegi", "Bakkerud", "Belcourt", "Bramante", "Castelan", "Chukwara", "Dahlvik", "Demirel",
    "Duarez", "Eastlake", "Ekström", "Falkner", "Fonoti", "Garibane", "Grünfeld", "Hakimov", "Holmgaard", "Ibarrola",
    "Iwasato", "Jankuvic", "Kamarão", "Kowalind", "Lindqvar", "Lobanek", "Madsbjerg", "Mbatoko", "Moreaux", "Nakazuro",
    "Novakis", "Okonta", "Olivetti", "Paskalev", "Pereyro", "Quarshi", "Rasmund", "Rosewall", "Santorel", "Sørlie",
    "Takeshiro", "Tindall", "Tremblanc", "Ulvestad", "Valdoro", "Vantongel", "Wexley", "Yamagiwa", "Zambrini",
    "Zielonka",
)  # fmt: skip

SQUAD = 16
"""Players of a team: eleven and five substitutes."""


class Club(NamedTuple):
    """A team's name and the names of its players, the goalkeeper first."""

    name: str
    players: tuple[str, ...]


def seeded(*parts: object) -> Random:
    """A random generator that depends on ``parts`` alone: it is the same in every process and version of Python."""
    return Random("/".join(map(str, parts)))  # noqa: S311 - nothing here is a secret


def clubs(seed: int, match_number: int) -> tuple[Club, Club]:
    """The two clubs of match ``match_number`` (from 0); the same arguments give the same clubs.

    A dozen matches in a row never share a place, so no club plays two matches at once on a page.
    """
    matches_per_cycle = len(PLACES) // 2
    cycle, turn = divmod(match_number, matches_per_cycle)
    places = list(PLACES)
    seeded(seed, "places", cycle).shuffle(places)
    rng = seeded(seed, "clubs", match_number)
    last_names = rng.sample(LAST_NAMES, 2 * SQUAD)  # unique within a match, so that a last name is enough
    players = [f"{rng.choice(FIRST_NAMES)} {last_name}" for last_name in last_names]
    home = Club(f"{places[2 * turn]} {rng.choice(SUFFIXES)}", tuple(players[:SQUAD]))
    away = Club(f"{places[2 * turn + 1]} {rng.choice(SUFFIXES)}", tuple(players[SQUAD:]))
    return home, away
