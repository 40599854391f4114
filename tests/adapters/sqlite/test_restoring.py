"""A damaged store is never used: the newest sound copy takes its place and skips ahead; what is damaged is kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from actors.errors import StateDamaged, Unreachable
from actors.messages.storing import Append
from adapters.sqlite import restoring
from adapters.sqlite.backups import Backups
from adapters.sqlite.commit_mark import read_mark
from adapters.sqlite.restoring import Restored, open_or_restore
from adapters.sqlite.runs import Run
from adapters.sqlite.store import SqliteStore
from tests.adapters.sqlite.conftest import STREAMS, StateFolder, absent, fill

ROUNDS = 12
Damage = Callable[[StateFolder], None]


def backups_of(folder: StateFolder, *, kept: int = 24) -> Backups:
    return Backups(folder.store, folder=folder.path / "backups", clock=lambda: folder.now, kept=kept)


def recover(folder: StateFolder) -> tuple[SqliteStore, Restored | None]:
    """Open the store, and tell of the one restore at the most."""
    store, restored = start(folder)
    restoring.forget_told(folder.store)
    assert len(restored) <= 1
    return store, restored[0] if restored else None


def start(folder: StateFolder) -> tuple[SqliteStore, tuple[Restored, ...]]:
    store, restored = open_or_restore(
        folder.store,
        clock=lambda: folder.now,
        random_bytes=lambda count: bytes(range(count)),
        run=Run(pid=1, boot_id="boot", started_at=folder.now),
        backups=folder.path / "backups",
    )
    folder.opened.append(store)
    return store, restored


def facts(store: SqliteStore) -> dict[str, tuple[object, ...]]:
    return {stream: store.load(stream).facts for stream in STREAMS}


def bodies(path: Path) -> dict[str, bytes]:
    """Give the files of a folder; SQLite's index of the log and an empty log are made by looking."""
    files = {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()}
    return {name: body for name, body in files.items() if not name.endswith("-shm") and (body or "-wal" not in name)}


@pytest.fixture
def died(folder: StateFolder, make_folder: Callable[[str], StateFolder]) -> StateFolder:
    """A folder with a backup of its first half, as a killed daemon leaves it."""
    store = folder.open()
    fill(store, ROUNDS // 2)
    backups_of(folder).back_up()
    fill(store, ROUNDS // 2, first=ROUNDS // 2)
    died = make_folder("died")
    folder.copy_to(died)
    (died.path / "backups").mkdir()
    for each in (folder.path / "backups").iterdir():
        (died.path / "backups" / each.name).write_bytes(each.read_bytes())
    died.now = folder.now + timedelta(hours=1)
    return died


def flip_a_bit(folder: StateFolder) -> None:
    """Fold the log in first: in the log a flipped bit is a cut."""
    folder.open().close()
    whole = bytearray(folder.store.read_bytes())
    whole[len(whole) // 2] ^= 0x10
    whole[len(whole) // 3] ^= 0x01
    folder.store.write_bytes(whole)


def tear_a_page(folder: StateFolder) -> None:
    folder.open().close()
    whole = bytearray(folder.store.read_bytes())
    whole[3 * 4096 + 512 : 4 * 4096] = bytes(4096 - 512)
    folder.store.write_bytes(whole)


def cut_the_log(folder: StateFolder) -> None:
    whole = folder.log.read_bytes()
    folder.log.write_bytes(whole[: len(whole) * 3 // 4])


def delete_the_log(folder: StateFolder) -> None:
    folder.log.unlink()


def delete_the_store(folder: StateFolder) -> None:
    folder.store.unlink()


def empty_the_store(folder: StateFolder) -> None:
    folder.store.write_bytes(b"")


def delete_everything_but_backups(folder: StateFolder) -> None:
    for file in (folder.store, folder.log, folder.mark):
        file.unlink(missing_ok=True)


DAMAGES = (
    flip_a_bit,
    tear_a_page,
    cut_the_log,
    delete_the_log,
    delete_the_store,
    empty_the_store,
    delete_everything_but_backups,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__)
def test_damage_is_noticed_and_a_sound_beginning_goes_on_that_gives_nothing_twice(
    folder: StateFolder, died: StateFolder, damage: Damage
) -> None:
    before = facts(folder.opened[0])
    numbers, mark = ROUNDS, read_mark(died.store)
    damage(died)
    damaged = bodies(died.path)
    store, restored = recover(died)
    assert restored is not None
    for stream, left in facts(store).items():
        assert left == before[stream][: len(left)]
    assert store.installation == folder.opened[0].installation
    assert mark is not None
    assert store.epoch > max(mark.epoch, folder.opened[0].epoch) + 1
    assert store.next_number("trade") > numbers
    store.rollback()
    assert store.forgotten is not None
    assert folder.opened[0].epoch < store.forgotten.epoch == store.epoch
    assert damaged.items() <= bodies(restored.set_aside).items()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__)
def test_a_restored_store_is_an_ordinary_one_from_then_on(died: StateFolder, damage: Damage) -> None:
    damage(died)
    store, _ = recover(died)
    length = store.load("trade/A").sequence
    store.append(Append(stream="trade/A", expected_sequence=length, facts=(absent(1),)))
    store.commit()
    epoch, forgotten = store.epoch, store.forgotten
    store.close()
    again, restored = recover(died)
    assert restored is None
    assert again.load("trade/A").sequence == length + 1
    assert (again.epoch, again.forgotten) == (epoch + 1, forgotten)


def test_a_store_that_is_lost_with_its_mark_again_and_again_gives_nothing_twice(died: StateFolder) -> None:
    epochs, numbers = [], []
    for _ in range(3):
        delete_everything_but_backups(died)
        store, restored = recover(died)
        assert restored is not None
        epochs.append(store.epoch)
        numbers.append(store.next_number("trade"))
        store.commit()
        store.close()
        died.now += timedelta(minutes=1)
    assert epochs == sorted(set(epochs))
    assert numbers == sorted(set(numbers))


def test_a_log_that_is_only_cut_short_is_worth_more_than_a_backup(folder: StateFolder, died: StateFolder) -> None:
    cut_the_log(died)
    store, restored = recover(died)
    assert restored is not None
    assert restored.source == "store.sqlite"
    assert restored.lost_commits is not None
    assert 0 < restored.lost_commits < ROUNDS // 2
    assert sum(len(each) for each in facts(store).values()) > ROUNDS


def test_without_a_sound_copy_nothing_is_touched_and_the_sentence_says_what_to_do(died: StateFolder) -> None:
    flip_a_bit(died)
    for copy in (died.path / "backups").iterdir():
        copy.write_bytes(copy.read_bytes()[:5000])
    before = bodies(died.path)
    with pytest.raises(StateDamaged, match=r"No sound copy is in .*backups.*or, to begin anew, move .*died away"):
        recover(died)
    assert bodies(died.path) == before


def test_a_backup_of_another_store_is_not_taken(died: StateFolder, make_folder: Callable[[str], StateFolder]) -> None:
    other = make_folder("other")
    stranger = open_or_restore(
        other.store,
        clock=lambda: other.now,
        random_bytes=lambda count: bytes([9] * count),
        run=Run(pid=1, boot_id="boot", started_at=other.now),
        backups=other.path / "backups",
    )[0]
    fill(stranger, 3 * ROUNDS)
    stranger.backup(died.path / "backups" / "store-20990101T000000Z.sqlite")
    stranger.close()
    delete_the_store(died)
    store, restored = recover(died)
    assert store.installation != stranger.installation
    assert restored is not None
    assert "2099" not in restored.source


def test_a_restore_after_which_the_store_could_not_be_opened_is_told_by_the_start_that_can(
    died: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_the_store(died)
    with monkeypatch.context() as refusing:

        def refused(*_args: Any, **_options: Any) -> SqliteStore:
            raise Unreachable("attempt to write a readonly database")

        refusing.setattr(restoring, "open_store", refused)
        with pytest.raises(Unreachable, match="readonly"):
            recover(died)
    store, restored = recover(died)
    assert restored is not None
    assert restored.lost_commits
    assert restored.set_aside.is_dir()
    assert store.forgotten is not None
    assert store.forgotten.epoch == store.epoch
    store.close()
    _, again = recover(died)
    assert again is None, "told once"


def test_restores_are_given_to_each_start_until_one_says_they_are_told(died: StateFolder) -> None:
    """The process dies after the store was opened; before the next start it is damaged again."""
    delete_the_store(died)
    store, first = start(died)
    assert len(first) == 1
    store.close()
    store, still = start(died)
    assert still == first
    backups_of(died).back_up()
    store.close()
    died.now += timedelta(minutes=1)
    delete_the_store(died)
    store, both = start(died)
    assert both[:1] == first
    assert len(both) == 2
    assert both[0].set_aside != both[1].set_aside
    store.close()
    restoring.forget_told(died.store)
    assert start(died)[1] == ()


def test_a_restore_that_was_noted_but_cannot_be_read_hides_no_other(died: StateFolder) -> None:
    delete_the_store(died)
    store, first = start(died)
    store.close()
    note = restoring._note_path(died.store)
    note.write_bytes(b"{}\n[\n" + note.read_bytes())
    assert start(died)[1] == first


@pytest.mark.parametrize("step", ["_set_aside", "sync"])
def test_a_restore_that_is_cut_short_is_done_again_at_the_next_start(
    folder: StateFolder, died: StateFolder, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The process dies with the log moved away, or with the copy in place and the mark still the old one."""

    class Killed(BaseException):
        pass

    honest = getattr(restoring, step)

    def dies(path: Path, *more: object) -> object:
        result = honest(path, *more)
        if step == "_set_aside" or path == died.path:
            raise Killed
        return result

    before = facts(folder.opened[0])
    cut_the_log(died)
    monkeypatch.setattr(restoring, step, dies)
    with pytest.raises(Killed):
        recover(died)
    noted = next((each.damage for each in restoring._untold(died.store)), "")
    monkeypatch.setattr(restoring, step, honest)
    store, restored = start(died)
    restoring.forget_told(died.store)
    assert "cut short" in restored[-1].damage
    assert [each.damage for each in restored[:-1]] == ([noted] if step == "sync" else []), (
        "what was wrong at first is told"
    )
    for stream, left in facts(store).items():
        assert left == before[stream][: len(left)]
    assert store.epoch > folder.opened[0].epoch
    store.close()
    assert recover(died)[1] is None


@pytest.mark.parametrize("seed", range(40))
def test_any_flipped_bit_or_cut_leaves_a_beginning_of_what_was_and_never_anything_else(
    folder: StateFolder, died: StateFolder, seed: int
) -> None:
    dice = random.Random(seed)
    before = facts(folder.opened[0])
    victim = dice.choice([died.store, died.log])
    whole = bytearray(victim.read_bytes())
    if dice.random() < 0.5:
        del whole[dice.randrange(len(whole)) :]
    else:
        for _ in range(dice.randint(1, 4)):
            whole[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
    victim.write_bytes(whole)
    store, restored = recover(died)
    left = facts(store)
    assert all(left[stream] == before[stream][: len(left[stream])] for stream in STREAMS)
    assert restored is not None or left == before
    assert store.epoch > folder.opened[0].epoch


def test_backups_beyond_those_to_be_kept_go_and_those_before_a_migration_stay(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 3)
    keeper = backups_of(folder, kept=3)
    assert keeper.age_seconds() is None
    (folder.path / "backups").mkdir()
    (folder.path / "backups" / "store-v1-20200101T000000Z.sqlite").write_bytes(b"")
    names = []
    for _ in range(5):
        names.append(keeper.back_up())
        folder.now += timedelta(hours=1)
    assert keeper.age_seconds() == 3600
    left = sorted(each.name for each in (folder.path / "backups").iterdir())
    assert left == sorted([*names[-3:], "store-v1-20200101T000000Z.sqlite"])


def test_a_backup_of_a_store_whose_rows_are_damaged_fails_and_leaves_no_file(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 3)
    store._db.execute("UPDATE journal SET body = replace(body, '7K3Q9X', '7K3Q9Y')")
    with pytest.raises(StateDamaged, match="fails its check"):
        backups_of(folder).back_up()
    assert list((folder.path / "backups").iterdir()) == []


def test_commits_go_on_while_a_backup_is_made(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 3)
    store.append(Append(stream="trade/D", expected_sequence=0, facts=(absent(1),)))
    backups_of(folder).back_up()  # in the middle of a transaction of the store's own
    store.commit()
    assert store.load("trade/D").sequence == 1
