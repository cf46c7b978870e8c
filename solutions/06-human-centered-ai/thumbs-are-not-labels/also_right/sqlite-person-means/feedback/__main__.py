"""The nightly job in SQL: the log goes into tables in memory, queries do the rest.

Of several showings of a card to one person each lends its propensity: people weigh as one because
each showing of theirs weighs one over their number. Weights stop at 10.
"""

import argparse
import csv
import json
import re
import sqlite3
import sys
from pathlib import Path

TABLES = """
create table people (person text primary key, joined text, evaluation int);
create table shown (id text primary key, at text, showing text unique, person text, answer text,
                    model text, position int, propensity real);
create table vote (id text primary key, at text, showing text, person text, model text,
                   vote text, comment text);
create table outcome (id text primary key, at text, showing text, solved int);
create table audit (id text primary key, at text, showing text, verdict text);
create table consent (id text primary key, at text, person text, given int);
"""

VIEWS = """
create table checked as
select vote.*, shown.answer, case
    when shown.showing is null then 'unknown_showing'
    when shown.person <> vote.person then 'other_person'
    when shown.model <> vote.model then 'other_model'
    when vote.at < shown.at then 'too_early'
    else 'fine' end as verdict
from vote left join shown using (showing);

create table standing as
select * from (
    select showing, person, answer, model, at, vote, comment,
        row_number() over (partition by showing order by at desc, id) as back
    from checked where verdict = 'fine')
where back = 1 and vote <> 'none';

create table opinion as
select * from (
    select *, row_number() over (partition by person, answer, model order by at desc) as place
    from standing)
where place = 1;

create table fresh as
select opinion.* from opinion join people using (person)
where julianday(at) - julianday(joined) < 2;

create table brigade as
select distinct member.person, member.answer, member.model
from (
    select a.answer, a.model, a.vote, a.at from fresh a join fresh b
    on a.answer = b.answer and a.model = b.model and a.vote = b.vote
        and julianday(b.at) - julianday(a.at) between -0.000001 and 1.000001 / 24
    group by a.person, a.answer, a.model having count(*) >= 20) as start
join fresh member
on member.answer = start.answer and member.model = start.model and member.vote = start.vote
    and julianday(member.at) - julianday(start.at) between -0.000001 and 1.000001 / 24;

create table sighting as
select shown.person, shown.answer, shown.model,
    avg(min(1 / shown.propensity, 10)) as weight
from shown left join standing using (showing)
left join opinion on opinion.person = shown.person and opinion.answer = shown.answer
    and opinion.model = shown.model
where (opinion.showing is null or standing.showing is not null)
    and not exists (select 1 from brigade where brigade.person = shown.person
                    and brigade.answer = shown.answer and brigade.model = shown.model)
group by shown.person, shown.answer, shown.model;

create table score as
select s.answer, s.model, count(*) as people,
    sum(coalesce(o.vote = 'up', 0)) as up, sum(coalesce(o.vote = 'down', 0)) as down,
    sum(case o.vote when 'up' then weight when 'down' then -weight else 0.0 end) / count(*) as score
from sighting s left join opinion o using (person, answer, model)
group by s.answer, s.model order by s.answer, s.model;

create table version as
select model, row_number() over (order by min(at)) as number from shown group by model;

create table quality as
select model, count(*) as audits, avg(verdict = 'good') as good from (
    select *, row_number() over (partition by showing order by at desc, id) as back from audit)
join shown using (showing) where back = 1 group by model;

create table pleased as
select model, sum(score * people) / sum(people) as score from score group by model;
"""

TRAINING = """
select o.showing, o.answer, o.model, o.vote,
    (select solved from outcome where outcome.showing = o.showing order by at desc limit 1),
    o.comment
from opinion o join people using (person)
where evaluation = 0
    and (select given from consent where consent.person = o.person order by at desc limit 1)
    and not exists (select 1 from brigade b where b.person = o.person
                    and b.answer = o.answer and b.model = o.model)
order by o.showing
"""

ALARMS = """
select v.model, w.model from version v join version w on w.number = v.number - 1
join quality q on q.model = v.model join quality r on r.model = w.model
join pleased p on p.model = v.model join pleased s on s.model = w.model
where q.audits >= 50 and r.audits >= 50
    and p.score - s.score >= 0.05 and r.good - q.good >= 0.1
"""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Refused(Exception):
    pass


def text(value):
    return value if isinstance(value, str) and value else fail()


def fail():
    raise ValueError


def yes_or_no(value):
    return int(value) if isinstance(value, bool) else fail()


def one_of(*names):
    return lambda value: value if value in names else fail()


def propensity(value):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and 0 < value <= 1 else fail()


def comment(value):
    return value if value is None or isinstance(value, str) else fail()


KINDS = {
    "shown": dict(showing=text, person=text, answer=text, model=text, position=int, propensity=propensity),
    "vote": dict(showing=text, person=text, model=text, vote=one_of("up", "down", "none"), comment=comment),
    "outcome": dict(showing=text, solved=yes_or_no),
    "audit": dict(showing=text, verdict=one_of("good", "bad")),
    "consent": dict(person=text, given=yes_or_no),
}


def load(db, path, now):
    damaged = 0
    for line in Path(path).read_bytes().split(b"\n"):
        if line.strip() == b"":
            continue
        try:
            event = json.loads(line)
            kind = text(event["type"])
            if kind not in KINDS:
                continue
            at = event["at"] if TIME.fullmatch(text(event.get("at"))) else fail()
            row = [text(event.get("id")), at]
            row += [check(event.get(name)) for name, check in KINDS[kind].items()]
        except (ValueError, KeyError, TypeError, RecursionError):
            damaged += 1
            continue
        if at <= now:
            marks = ", ".join("?" * len(row))
            db.execute(f"insert or ignore into {kind} values ({marks})", row)
    db.execute("delete from shown where person not in (select person from people)")
    return damaged


def load_people(db, path):
    with open(path, encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        for name in ("person", "joined_at", "evaluation"):
            if name not in (reader.fieldnames or []):
                raise Refused(f"people: no column {name}")
        for row in reader:
            if row["evaluation"] not in ("0", "1"):
                raise Refused("people: evaluation must be 0 or 1")
            if not TIME.fullmatch(row["joined_at"] or ""):
                raise Refused("people: joined_at must be a time")
            values = (row["person"], row["joined_at"], int(row["evaluation"]))
            db.execute("insert or replace into people values (?, ?, ?)", values)


PERSONAL = re.compile(
    r"(?P<mail>\S+@\S+\.\w+)"
    r"|(?P<iban>\b[A-Z]{2}\d\d(?:[ ]?[A-Z0-9]){11,30}\b)"
    r"|(?P<phone>(?<![\w.])(?:\+|00?)[1-9](?:[ ()/-]{0,2}\d){7,14}\b)"
)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m feedback")
    for name in ("--log", "--people", "--now", "--out"):
        parser.add_argument(name, required=True)
    options = parser.parse_args(argv)
    db = sqlite3.connect(":memory:")
    db.executescript(TABLES)
    try:
        load_people(db, options.people)
        damaged = load(db, options.log, options.now)
    except (OSError, UnicodeDecodeError, Refused) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    db.executescript(VIEWS)

    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "scores.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["answer", "model", "people", "up", "down", "score"])
        writer.writerows(db.execute("select * from score"))
    with (out / "training.jsonl").open("w") as stream:
        for showing, answer, model, vote, solved, said in db.execute(TRAINING):
            row = dict(showing=showing, answer=answer, model=model)
            row["label"] = {"up": "good", "down": "bad"}[vote]
            row["solved"] = None if solved is None else bool(solved)
            row["comment"] = PERSONAL.sub("...", said or "")
            stream.write(json.dumps(row) + "\n")
    rejected = dict.fromkeys(("unknown_showing", "other_person", "other_model", "too_early"), 0)
    rejected |= dict(db.execute("select verdict, count(*) from checked where verdict <> 'fine' group by 1"))
    flagged = {}
    for person, answer, model in db.execute("select * from brigade order by person"):
        flagged.setdefault((answer, model), []).append(person)
    report = {
        "rejected_votes": rejected,
        "damaged_lines": damaged,
        "flagged": [dict(answer=a, model=m, people=who) for (a, m), who in sorted(flagged.items())],
        "alarms": [dict(model=model, before=before) for model, before in db.execute(ALARMS)],
    }
    (out / "report.json").write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
