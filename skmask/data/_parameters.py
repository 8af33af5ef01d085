from skmask.data._validation import Interval
