-- A job that goes looks for dead letters of its topic, which it has overtaken.

create index outbox_dead_by_topic on outbox (topic, id) where topic is not null and dead_at is not null;
