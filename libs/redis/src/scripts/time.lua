-- KEYS: any; decides whose clock.
return now
