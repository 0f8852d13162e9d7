-- Orders that were flagged stayed PENDING without ever being asked for again: they are looked at once more, after their
-- time like every other (connect-v2 §4.7).
update payment_orders set next_check_at = expires_at where status = 'PENDING' and next_check_at is null;
