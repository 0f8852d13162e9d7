-- What an account let go is found by the account: beyond a number it is forgotten.
create index device_tokens_let_go on device_tokens (user_id, updated_at desc, id desc) where not is_active;
