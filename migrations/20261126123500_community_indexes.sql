-- Articles and events of a category, whatever the case of its letters, and articles by title (connect-v2 110, 112).
create index articles_by_category on articles (lower(category), published_at desc, id desc);
create index articles_by_title on articles (lower(title), published_at desc, id desc);
create index community_events_by_category on community_events (lower(category), event_date, id);
