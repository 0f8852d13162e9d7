-- What is to be removed from the file store. Every object is written under an intention to remove it again; the
-- transaction that makes it count takes the intention away (docs/decisions/020). So nothing is left behind, whatever
-- breaks in between.

create table file_removals (
    area     text        not null,
    key      text        not null,
    due_at   timestamptz not null,
    attempts integer     not null default 0,
    constraint file_removals_pkey primary key (area, key),
    constraint file_removals_area_known
        check (area in ('avatars', 'sessions', 'reports', 'recordings', 'prescriptions'))
);
create index file_removals_by_due on file_removals (due_at);
