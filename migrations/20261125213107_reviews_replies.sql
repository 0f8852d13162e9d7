-- A doctor's public reply to a review (connect-v2 27-29): one, in the review's own row.

alter table reviews
    add column reply_text       text,
    add column reply_created_at timestamptz,
    add column reply_updated_at timestamptz,
    add constraint reviews_reply_whole check (
        (reply_text is null) = (reply_created_at is null) and (reply_text is null) = (reply_updated_at is null)
    );
