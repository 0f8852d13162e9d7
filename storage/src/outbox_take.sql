with due as (
    select o.id, o.topic
    from outbox o
    where o.kind = $1 and o.dead_at is null and o.due_at <= $2
      and (o.leased_until is null or o.leased_until <= $2)
      -- In the order of its topic: not while an earlier one is under way or has its first turn before it …
      and (o.topic is null or not exists (
          select from outbox e
          where e.topic = o.topic and e.id < o.id and e.dead_at is null and (e.leased_until > $2 or e.attempts = 0)
      ))
      -- … and not after a later one has come, once it has had its turn.
      and (o.topic is null or o.attempts = 0 or not exists (
          select from outbox l where l.topic = o.topic and l.id > o.id and l.dead_at is null
      ))
    order by o.due_at, o.id
    limit $4
    for update of o skip locked
), overtaken as (
    delete from outbox e using due
    where e.topic = due.topic and e.id < due.id and e.dead_at is null
), untrue as (
    -- What a later word has made untrue is of no use any more, whoever gives dead letters another try.
    update outbox e
    set expires_at = $2
    from due
    where e.topic = due.topic and e.id < due.id and e.dead_at is not null
      and (e.expires_at is null or e.expires_at > $2)
)
update outbox o
set attempts = o.attempts + 1, leased_until = $3
from due
where o.id = due.id
returning o.id, o.payload, o.created_at, o.expires_at, o.attempts, o.leased_until as "leased_until!",
    o.last_error is not null as "has_failed!"
