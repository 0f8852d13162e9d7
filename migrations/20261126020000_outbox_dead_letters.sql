-- An admin reads dead letters in their order, among many that wait.

create index outbox_dead_by_id on outbox (id) where dead_at is not null;
