-- Starts that came to nothing are swept a week after the recorder was known to be done with them.
create index recordings_dropped on recordings (settled_at) where status = 'DROPPED';
