"""The referral desk: which letters are booked by the assistant, and which are read by a nurse."""
