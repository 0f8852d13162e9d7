-- Articles and events for everybody (connect-v2 110 to 113), written by admins (136 to 143).

create table articles (
    id           uuid        not null,
    title        text        not null,
    excerpt      text        not null,
    content      text        not null,
    category     text,
    author       text,
    image_url    text,
    published_at timestamptz not null,
    updated_at   timestamptz not null,
    constraint articles_pkey primary key (id)
);
create index articles_by_time on articles (published_at, id);

-- Not the `events` of the inboxes: what people come to.
create table community_events (
    id          uuid        not null,
    title       text        not null,
    description text        not null,
    event_date  timestamptz not null,
    event_type  text        not null
                constraint community_events_type_known check (event_type in ('online', 'in_person', 'hybrid')),
    category    text,
    image_url   text,
    created_at  timestamptz not null,
    constraint community_events_pkey primary key (id)
);
create index community_events_by_date on community_events (event_date, id);
