"""Who has to look at this change, and who gets this alert?"""
