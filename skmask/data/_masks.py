from skmask.data._validation import check_allowed, check_labels_allowed, is_of_labels
